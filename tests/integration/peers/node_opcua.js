// A secured server over node-opcua: FOLDER URI PORT USER:PASSWORD; trusts FOLDER/trusted, and by FOLDER/ca.
const fs = require("fs"), path = require("path");
const { OPCUAServer } = require("node-opcua-server");
const { SecurityPolicy, MessageSecurityMode } = require("node-opcua-secure-channel");
const { Variant, DataType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { filesOf } = require("./node_opcua_files.js");

const [folder, uri, port, user] = process.argv.slice(2);

(async () => {
  const { trust, ...own } = await filesOf(folder, path.join(folder, "pki"));
  for (const name of fs.readdirSync(path.join(folder, "trusted")))
    await trust.trustCertificate(fs.readFileSync(path.join(folder, "trusted", name)));
  const server = new OPCUAServer({
    port: Number(port), hostname: "127.0.0.1", ...own,
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
