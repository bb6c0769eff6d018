// An unmodified socket.io-client 4 as the seed's frontend uses it: node watch.mjs URL ID [ID ...]
// One JSON line per thing that happened; commands on standard input: "reconnect", "quit".
import { io } from "socket.io-client";
import { createInterface } from "node:readline";

const [url, ...ids] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const socket = io(url);

socket.on("connect", () => {
  say({ event: "connect", transport: socket.io.engine.transport.name });
  // the acknowledgement tells a test that the subscription holds; a refusal comes as its argument
  for (const id of ids) {
    socket.emit("subscribe-intent", id, (problem) => say({ event: "subscribed", id, problem }));
  }
  socket.io.engine.on("upgrade", (transport) => say({ event: "upgrade", transport: transport.name }));
});
socket.on("disconnect", (reason) => {
  say({ event: "disconnect", reason });
  // the library itself comes back from every loss but a disconnect the server asked for
  if (reason === "io server disconnect") socket.connect();
});
socket.on("connect_error", (error) => say({ event: "connect_error", message: error.message }));
socket.on("intent-update", (update) => say({ event: "intent-update", update }));
socket.on("intent-error", (error) => say({ event: "intent-error", error }));

createInterface({ input: process.stdin }).on("line", (command) => {
  if (command === "reconnect") socket.disconnect().connect();
  if (command === "quit") { socket.disconnect(); process.exit(0); }
});
process.stdin.on("end", () => process.exit(0));
