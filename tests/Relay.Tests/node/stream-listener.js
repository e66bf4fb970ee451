'use strict';
// The official WebSocket listener: echoes every message. Prints "listening" once registered.
const WebSocket = require('hyco-ws');
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const uri = `wss://${RELAY}/$hc/${ENTITY}?sb-hc-action=listen`;

const server = WebSocket.createRelayedServer(
  { server: uri, token: () => WebSocket.createRelayToken(uri, KEY_NAME, KEY) },
  socket => {
    socket.on('message', (data, flags) => socket.send(data, { binary: typeof data !== 'string' }));
    socket.on('error', error => console.error(`error ${error.message}`));
  });
server.on('listening', () => console.log('listening'));
server.on('error', error => console.error(`error ${error.message ?? error}`));
process.stdin.on('end', () => process.exit(0)).resume();
