// Stands in for kubectl's plugin oidc-login: takes those of its options that kwo writes and no others, and prints what
// it would. The login itself is one by authorization code and PKCE, with this program as the browser; who logs in is
// in KWO_TEST_LOGIN.

import { request } from 'node:https';
import { parseArgs } from 'node:util';
import * as client from 'openid-client';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'oidc-issuer-url': { type: 'string' },
    'oidc-client-id': { type: 'string' },
    'oidc-extra-scope': { type: 'string', multiple: true, default: [] },
    'certificate-authority-data': { type: 'string' },
  },
});
if (positionals.join() !== 'get-token') throw new Error(`no command: ${positionals}`);
const ca = Buffer.from(values['certificate-authority-data'], 'base64');

// `fetch`, but with a certificate authority of its own.
const ask = (url, { method = 'GET', headers = {}, body } = {}) =>
  new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: Object.fromEntries(new Headers(headers)), ca }, async (answer) => {
      const chunks = await answer.toArray();
      const found = new Headers();
      for (const [name, values] of Object.entries(answer.headersDistinct)) {
        values.forEach((value) => found.append(name, value));
      }
      const whole = chunks.length ? Buffer.concat(chunks) : null;
      resolve(new Response(whole, { status: answer.statusCode, headers: found }));
    });
    asked.on('error', reject);
    asked.end(body?.toString());
  });

const issuer = new URL(values['oidc-issuer-url']);
const options = { [client.customFetch]: ask };
const config = await client.discovery(issuer, values['oidc-client-id'], undefined, client.None(), options);
const back = new URL('http://localhost:8000/callback');
const pkceCodeVerifier = client.randomPKCECodeVerifier();
let here = client.buildAuthorizationUrl(config, {
  redirect_uri: back.href,
  scope: ['openid', ...values['oidc-extra-scope']].join(' '),
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  login_hint: process.env.KWO_TEST_LOGIN,
});
const cookies = new Map();
while (here.origin !== back.origin) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const page = await ask(here, { headers: { cookie } });
  for (const [pair] of page.headers.getSetCookie().map((set) => set.split(';'))) {
    const at = pair.indexOf('=');
    cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const next = page.headers.get('location');
  if (!next) throw new Error(`${here} leads nowhere: ${page.status} ${await page.text()}`);
  here = new URL(next, here);
}
const tokens = await client.authorizationCodeGrant(config, here, { pkceCodeVerifier });
console.log(JSON.stringify({
  apiVersion: 'client.authentication.k8s.io/v1',
  kind: 'ExecCredential',
  status: { token: tokens.id_token },
}));
