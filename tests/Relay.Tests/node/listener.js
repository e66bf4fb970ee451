'use strict';
// The official HTTP listener. Prints "listening" once registered; ends with its parent's pipe.
const https = require('hyco-https');
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const uri = `wss://${RELAY}/$hc/${ENTITY}?sb-hc-action=listen`;

const server = https.createRelayedServer(
  { server: uri, token: () => https.createRelayToken(uri, KEY_NAME, KEY) },
  (request, response) => {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const target = new URL(request.url, 'https://x');
      response.setHeader('X-Method', request.method);
      response.setHeader('X-Url', request.url);
      if (target.pathname.endsWith('/status')) {
        response.statusCode = Number(target.searchParams.get('code'));
        response.end();
      } else if (target.pathname.endsWith('/bytes')) {
        response.end(Buffer.alloc(Number(target.searchParams.get('count')), 7));
      } else if (body.length > 0) {
        response.end(body);
      } else {
        // hyco-https never finishes a response that ends with an empty buffer.
        response.end();
      }
    });
  });
server.on('listening', () => console.log('listening'));
server.on('error', error => console.error(`error ${error.message ?? error}`));
server.listen();
process.stdin.on('end', () => process.exit(0)).resume();
