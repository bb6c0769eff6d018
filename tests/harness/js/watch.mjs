// An unmodified socket.io-client 4 as the seed's frontend uses it: node watch.mjs URL ID [ID ...]
// One JSON line per thing that happened; commands on standard input: "reconnect", "quit".
import { io } from "socket.io-client";
import { createInterface } from "node:readline";

const [url, ...ids] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const socket = io(url);

socket.on("connect", () => {
  for (const id of ids) socket.emit("subscribe-intent", id);
  say({ event: "connect", transport: socket.io.engine.transport.name });
});
socket.io.engine.on("upgrade", (transport) => say({ event: "upgrade", transport: transport.name }));
socket.on("disconnect", (reason) => say({ event: "disconnect", reason }));
socket.on("connect_error", (error) => say({ event: "connect_error", message: error.message }));
socket.on("intent-update", (update) => say({ event: "intent-update", update }));

createInterface({ input: process.stdin }).on("line", (command) => {
  if (command === "reconnect") socket.disconnect().connect();
  if (command === "quit") { socket.disconnect(); process.exit(0); }
});
process.stdin.on("end", () => process.exit(0));
