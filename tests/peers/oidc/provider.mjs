// An OpenID provider: logs in whom `login_hint` names, and asks for nothing. Its one argument is a JSON file with the
// port, the key and certificate, the clients (NAME, or NAME:SECRET), and the accounts with their claims.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const { port, key, cert, clients, accounts } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const provider = new Provider(`https://localhost:${port}`, {
  clients: clients.map((client) => client.split(':')).map(([client_id, client_secret]) => ({
    client_id,
    client_secret,
    application_type: 'native',
    redirect_uris: ['http://localhost:8000/callback', 'http://localhost:8250/oidc/callback'],
    token_endpoint_auth_method: client_secret ? 'client_secret_basic' : 'none',
  })),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  // Whoever takes tokens for logins, as Kubernetes does, looks for the claims in them.
  conformIdTokenClaims: false,
  cookies: { keys: ['for tests'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
  interactions: { url: (_, { uid }) => `/login/${uid}` },
  // In seconds.
  ttl: { IdToken: ({ oidc }) => accounts[oidc.account.accountId].lifetime ?? 600 },
});

const login = async (request, response) => {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { login: { accountId: params.login_hint }, consent });
};

const answer = provider.callback();
createServer({ key, cert }, (request, response) => {
  if (!request.url.startsWith('/login/')) return answer(request, response);
  login(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(port, '127.0.0.1');
