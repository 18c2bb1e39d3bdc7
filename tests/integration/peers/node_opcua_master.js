// A controller that polls a secured module by node-opcua: FOLDER URL PKI; shows FOLDER's certificate, trusts by
// FOLDER/ca alone, lists included. Says what it read of Io.sensor, writes Io.lamp, and stays.
const fs = require("fs"), path = require("path");
const { OPCUAClient, SecurityPolicy, MessageSecurityMode, AttributeIds } = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { DataType } = require("node-opcua-variant");
const { readCertificateRevocationList } = require("node-opcua-crypto");

const [folder, url, pki] = process.argv.slice(2);

(async () => {
  const trust = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: false });
  await trust.initialize();
  const ca = fs.readdirSync(path.join(folder, "ca")).map((name) => path.join(folder, "ca", name));
  for (const name of ca.filter((each) => each.endsWith(".der"))) await trust.addIssuer(fs.readFileSync(name), false, true);
  for (const name of ca.filter((each) => each.endsWith(".crl"))) await trust.addRevocationList(await readCertificateRevocationList(name));
  const der = fs.readFileSync(path.join(folder, "cert.der")).toString("base64").match(/.{1,64}/g).join("\n");
  const own = path.join(folder, "own.pem");
  fs.writeFileSync(own, `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`);
  const client = OPCUAClient.create({
    applicationUri: process.argv[5], certificateFile: own, privateKeyFile: path.join(folder, "key.pem"), clientCertificateManager: trust,
    securityPolicy: SecurityPolicy.Aes256_Sha256_RsaPss, securityMode: MessageSecurityMode.SignAndEncrypt,
    endpointMustExist: true, connectionStrategy: { maxRetry: 0 }, requestedSessionTimeout: 60000,
  });
  await client.connect(url);
  const session = await client.createSession();
  const read = await session.read({ nodeId: "ns=2;s=Io.sensor", attributeId: AttributeIds.Value });
  console.log(`sensor ${read.value.value}`);
  const lamp = { value: { dataType: DataType.Boolean, value: true } };
  const status = await session.write({ nodeId: "ns=2;s=Io.lamp", attributeId: AttributeIds.Value, value: lamp });
  console.log(`lamp ${status.name}`);
  process.stdin.on("end", () => process.exit(0)).resume();
})().catch((error) => { console.error(error.message); process.exit(1); });
