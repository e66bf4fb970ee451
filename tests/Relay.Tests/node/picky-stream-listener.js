'use strict';
// The official WebSocket listener with a choice of subprotocols: it takes "chosen" and refuses all else. Prints "listening" once registered.
const WebSocket = require('hyco-ws');
const { RELAY, ENTITY, KEY_NAME, KEY } = process.env;
const uri = `wss://${RELAY}/$hc/${ENTITY}?sb-hc-action=listen`;

// hyco-ws cannot refuse: its way to say no throws (and would end the process). To the relay its refusal is silence.
process.on('uncaughtException', error => console.log(`refused ${error.message}`));
const server = WebSocket.createRelayedServer(
  {
    server: uri,
    token: () => WebSocket.createRelayToken(uri, KEY_NAME, KEY),
    handleProtocols: (offered, done) => done(offered.includes('chosen'), 'chosen'),
  },
  socket => socket.on('message', data => socket.send(data)));
server.on('listening', () => console.log('listening'));
server.on('error', error => console.error(`error ${error.message ?? error}`));
process.stdin.on('end', () => process.exit(0)).resume();
