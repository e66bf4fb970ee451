'use strict';
// The official HTTP listener with headers as applications set them: a number, a list. Prints "listening" once registered.
const https = require('hyco-https');
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const uri = `wss://${RELAY}/$hc/${ENTITY}?sb-hc-action=listen`;

const server = https.createRelayedServer(
  { server: uri, token: () => https.createRelayToken(uri, KEY_NAME, KEY) },
  (request, response) => {
    const text = `hello from ${request.url}`;
    response.setHeader('Content-Length', Buffer.byteLength(text));
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.setHeader('X-Authorization', request.headers.authorization ?? 'none');
    response.end(text);
  });
server.on('listening', () => console.log('listening'));
server.on('error', error => console.error(`error ${error.message ?? error}`));
server.listen();
process.stdin.on('end', () => process.exit(0)).resume();
