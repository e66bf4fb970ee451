'use strict';
// A WebSocket sender with headers and subprotocols of its own, by the ws module below hyco-ws. Prints one JSON line.
const path = require('path');
const hyco = require('hyco-ws');
const WebSocket = require(require.resolve('ws', { paths: [path.dirname(require.resolve('hyco-ws'))] }));
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const token = KEY ? hyco.createRelayToken(`https://${RELAY}/${ENTITY}`, KEY_NAME, KEY) : null;
const headers = { 'X-Who': 'node', ...(token ? { ServiceBusAuthorization: token } : {}) };

const socket = new WebSocket(`wss://${RELAY}/$hc/${ENTITY}/tail?sb-hc-action=connect&x=1`, ['other', 'chosen'], { headers });
socket.on('open', () => socket.send('hello'));
socket.on('message', data => {
  console.log(JSON.stringify({ protocol: socket.protocol, text: String(data) }));
  socket.close();
});
socket.on('error', error => console.log(JSON.stringify({ error: error.message })));
