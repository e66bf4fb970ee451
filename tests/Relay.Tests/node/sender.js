'use strict';
// The official way to send from Node: the https module with a token of the official helper. Prints one JSON line.
const https = require('hyco-https');
const { RELAY, ENTITY, KEY_NAME, KEY, METHOD, SUFFIX, BODY_BYTES, CHUNKED } = process.env;
const token = https.createRelayToken(`https://${RELAY}/${ENTITY}`, KEY_NAME, KEY);
const body = Buffer.alloc(Number(BODY_BYTES), 5);
const headers = { ServiceBusAuthorization: token };
if (CHUNKED === 'true') headers['Transfer-Encoding'] = 'chunked';
else if (body.length > 0) headers['Content-Length'] = body.length;

const request = https.request(`https://${RELAY}/${ENTITY}${SUFFIX}`, { method: METHOD, headers }, response => {
  let count = 0;
  let same = true;
  response.on('data', chunk => {
    count += chunk.length;
    same &&= chunk.every(byte => byte === 5);
  });
  response.on('end', () => console.log(JSON.stringify({ status: response.statusCode, reason: response.statusMessage, via: response.headers.via ?? null, count, same })));
});
request.on('error', error => console.log(JSON.stringify({ error: error.message })));
request.end(body);
