// A controller that polls a secured module by node-opcua: FOLDER URL PKI; shows FOLDER's certificate, trusts by
// FOLDER/ca alone, lists included. Says what it read of Io.sensor, writes Io.lamp, and stays.
const { OPCUAClient, SecurityPolicy, MessageSecurityMode, AttributeIds } = require("node-opcua-client");
const { DataType } = require("node-opcua-variant");
const { filesOf } = require("./node_opcua_files.js");

const [folder, url, pki] = process.argv.slice(2);

(async () => {
  const { trust, ...own } = await filesOf(folder, pki);
  const client = OPCUAClient.create({
    applicationUri: process.argv[5], ...own, clientCertificateManager: trust,
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
