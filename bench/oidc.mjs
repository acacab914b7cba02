// npm oidc-provider, with tokens in a Map in its own process (no database: the kindest case for it), answering introspection [RFC 7662].
// Usage: node oidc.mjs PORT TOKENS_FILE; it writes the tokens to be asked for to the file, then says "ready".
import { writeFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const [port, file] = process.argv.slice(2);
const kept = new Map();

class InMemory {
  constructor(name) {
    this.name = name;
  }
  async upsert(id, payload) {
    kept.set(`${this.name}:${id}`, payload);
  }
  async find(id) {
    return kept.get(`${this.name}:${id}`);
  }
  async findByUid() {}
  async findByUserCode() {}
  async destroy(id) {
    kept.delete(`${this.name}:${id}`);
  }
  async consume() {}
  async revokeByGrantId() {}
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: InMemory,
  clients: [
    {
      client_id: "bench",
      client_secret: "bench",
      token_endpoint_auth_method: "client_secret_post",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
  scopes: ["global"],
  ttl: { ClientCredentials: 3600 },
});
const client = await provider.Client.find("bench");
const tokens = [];
for (let n = 0; n < 20000; n += 1) {
  tokens.push(await new provider.ClientCredentials({ client, scope: "global" }).save());
}
writeFileSync(file, tokens.join("\n") + "\n");
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
