// What node-opcua needs of an OPC UA folder as ours: FOLDER/cert.der and key.pem, FOLDER/ca with its lists.
const fs = require("fs"), path = require("path");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { readCertificateRevocationList } = require("node-opcua-crypto");

// The manager, in its own folder PKI, trusts by FOLDER/ca alone, lists included.
async function filesOf(folder, pki) {
  const trust = new OPCUACertificateManager({ rootFolder: pki, automaticallyAcceptUnknownCertificate: false });
  await trust.initialize();
  const ca = fs.readdirSync(path.join(folder, "ca")).map((name) => path.join(folder, "ca", name));
  for (const name of ca.filter((each) => each.endsWith(".der"))) await trust.addIssuer(fs.readFileSync(name), false, true);
  for (const name of ca.filter((each) => each.endsWith(".crl"))) await trust.addRevocationList(await readCertificateRevocationList(name));
  const der = fs.readFileSync(path.join(folder, "cert.der")).toString("base64").match(/.{1,64}/g).join("\n");
  const certificateFile = path.join(folder, "own.pem");
  fs.writeFileSync(certificateFile, `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`);
  return { trust, certificateFile, privateKeyFile: path.join(folder, "key.pem") };
}

module.exports = { filesOf };
