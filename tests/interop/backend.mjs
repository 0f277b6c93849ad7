// The backend of an application, written with the official SDK. It authorises channels at /channels/auth and signs users in
// at /users/auth. It listens on a free port of loopback and prints the port, `{"port": ..}`. Then it prints a line for each
// request, `{"path": .., "type": .., "channel": .., "status": ..}`. A line of input, `{"masterKey": ..}`, replaces the master
// key. The line `{"rotated": true}` confirms the new key. The program ends when its input ends.
//
// The parameter `user_id` names the user. The backend refuses all users for a channel whose name ends in `-forbidden`. For
// channels and users whose names end in `-missigned` it signs with a wrong secret.
//
// node backend.mjs --token TOKEN --app-id app-id --key app-key --secret app-secret [--master-key BASE64]

import { createServer } from "node:http";

import { lines, options, say, sdkFor } from "./common.mjs";

const settings = options("token", "host", "app-id", "key", "secret", "master-key?");
let sdk = sdkFor(settings);
const mistaken = sdkFor({ ...settings, secret: "another secret" });

const server = createServer(async (request, response) => {
  const { status, body } = decide(request, new URLSearchParams(await text(request)));
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
});

function decide(request, form) {
  const channel = form.get("channel_name");
  const answered = (status, body) => {
    say({ path: request.url, type: request.headers["content-type"], channel, status });
    return { status, body };
  };
  const user = form.get("user_id");
  if (request.headers.authorization !== `Bearer ${settings.token}` || !user || channel?.endsWith("-forbidden")) {
    return answered(403, { error: "this is not for you" });
  }
  const info = { name: `${user} ☃`, level: 7 };
  const signer = (channel ?? user).endsWith("-missigned") ? mistaken : sdk;
  switch (request.url) {
    case "/channels/auth": {
      const member = channel.startsWith("presence-") ? { user_id: user, user_info: info } : undefined;
      return answered(200, signer.authorizeChannel(form.get("socket_id"), channel, member));
    }
    case "/users/auth":
      return answered(200, signer.authenticateUser(form.get("socket_id"), { id: user, user_info: info }));
    default:
      return answered(404, { error: "no such endpoint" });
  }
}

async function text(request) {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += chunk;
  return text;
}

server.listen(0, settings.host, async () => {
  say({ port: server.address().port });
  for await (const line of lines(process.stdin)) {
    sdk = sdkFor({ ...settings, "master-key": JSON.parse(line).masterKey });
    say({ rotated: true });
  }
  process.exit(0);
});
