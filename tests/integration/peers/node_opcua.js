// A secured server over node-opcua: FOLDER URI PORT USER:PASSWORD; trusts FOLDER/trusted, and by FOLDER/ca.
const fs = require("fs"), path = require("path");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { SecurityPolicy, MessageSecurityMode } = require("node-opcua-secure-channel");
const { Variant, DataType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { readCertificateRevocationList } = require("node-opcua-crypto");

const [folder, uri, port, user] = process.argv.slice(2);

(async () => {
  const trust = new OPCUACertificateManager({ rootFolder: path.join(folder, "pki"), automaticallyAcceptUnknownCertificate: false });
  await trust.initialize();
  for (const name of fs.readdirSync(path.join(folder, "trusted")))
    await trust.trustCertificate(fs.readFileSync(path.join(folder, "trusted", name)));
  const ca = fs.readdirSync(path.join(folder, "ca")).map((name) => path.join(folder, "ca", name));
  for (const name of ca.filter((each) => each.endsWith(".der"))) await trust.addIssuer(fs.readFileSync(name), false, true);
  for (const name of ca.filter((each) => each.endsWith(".crl"))) await trust.addRevocationList(await readCertificateRevocationList(name));
  const der = fs.readFileSync(path.join(folder, "cert.der")).toString("base64").match(/.{1,64}/g).join("\n");
  const own = path.join(folder, "own.pem");
  fs.writeFileSync(own, `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`);
  const server = new OPCUAServer({
    port: Number(port), hostname: "127.0.0.1", certificateFile: own, privateKeyFile: path.join(folder, "key.pem"),
    serverCertificateManager: trust, userCertificateManager: trust, serverInfo: { applicationUri: uri },
    allowAnonymous: false, userManager: { isValidUser: (name, password) => user === `${name}:${password}` },
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss, SecurityPolicy.Aes128_Sha256_RsaOaep],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const values = { shown: [DataType.Double, 7.5], number: [DataType.Double, 0], text: [DataType.String, ""] };
  for (const [name, held] of Object.entries(values))
    space.getOwnNamespace().addVariable({
      organizedBy: space.rootFolder.objects, browseName: name, nodeId: `s=${name}`, dataType: DataType[held[0]], minimumSamplingInterval: 10,
      value: {
        get: () => new Variant({ dataType: held[0], value: held[1] }),
        set: (given) => { held[1] = given.value; return StatusCodes.Good; },
      },
    });
  await server.start();
  console.log(port);
  process.stdin.on("end", () => process.exit(0)).resume();
})().catch((error) => { console.error(error); process.exit(1); });
