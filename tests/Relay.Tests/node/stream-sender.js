'use strict';
// The official WebSocket sender: sends one text and one large binary message, expects both back. Prints one JSON line.
const WebSocket = require('hyco-ws');
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const token = WebSocket.createRelayToken(`https://${RELAY}/${ENTITY}`, KEY_NAME, KEY);
const large = Buffer.alloc(1000000, 9);
const received = [];

WebSocket.relayedConnect(`wss://${RELAY}/$hc/${ENTITY}?sb-hc-action=connect&x=1`, token, socket => {
  socket.on('message', data => {
    received.push(data);
    if (received.length === 2) socket.close(1000, 'enough');
  });
  socket.on('close', (code, reason) => console.log(JSON.stringify({
    code, reason: String(reason), text: String(received[0]), same: Buffer.compare(received[1], large) === 0,
  })));
  socket.send('hello');
  socket.send(large);
}).on('error', error => console.log(JSON.stringify({ error: error.message })));
