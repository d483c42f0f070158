/*
 * A program on node-zookeeper-client, the client of the npm registry that most programs use. In the middle it prints
 * "restart" and waits for a line: the server goes and comes back, and the session, its ephemeral and its watches must
 * still be there. Prints one line for each check; exits 0 when all hold. usage: node node_client.js HOST:PORT
 */
"use strict";
const zookeeper = require("node-zookeeper-client");
const util = require("util");

let failed = 0;

function check(holds, what) {
  console.log(`${holds ? "ok" : "FAIL"} ${what}`);
  failed += holds ? 0 : 1;
}

async function eventually(what, condition) {
  const end = Date.now() + 20000;
  while (!(await condition()) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  check(await condition(), what);
}

function open(hosts) {
  const client = zookeeper.createClient(hosts, { sessionTimeout: 20000, spinDelay: 50, retries: 20 });
  for (const name of ["create", "exists", "getData", "setData", "remove", "getChildren", "getACL", "setACL", "mkdirp"])
    client[`${name}Soon`] = util.promisify(client[name]).bind(client);
  return new Promise((resolve) => {
    client.once("connected", () => resolve(client));
    client.connect();
  });
}

/* The name of the error that a call ends with. */
async function errorOf(promise) {
  try {
    await promise;
    return "none";
  } catch (e) {
    return e.name;
  }
}

function get(client, path, watcher) {
  return new Promise((resolve, reject) =>
    client.getData(path, watcher, (error, data, stat) => (error ? reject(error) : resolve({ data, stat }))));
}

async function nodes(client) {
  check((await client.createSoon("/n", Buffer.from("one"))) === "/n", "create");
  check((await errorOf(client.createSoon("/n"))) === "NODE_EXISTS", "create again");
  check((await errorOf(client.createSoon("/none/x"))) === "NO_NODE", "create without a parent");
  const events = [];
  let { data, stat } = await get(client, "/n", (event) => events.push(event));
  check(data.toString() === "one" && stat.version === 0, "get");
  stat = await client.setDataSoon("/n", Buffer.from("two"), 0);
  check(stat.version === 1, "set");
  check((await errorOf(client.setDataSoon("/n", Buffer.from("x"), 0))) === "BAD_VERSION", "set with an old version");
  await eventually("watch", () => events.length === 1 && events[0].getName() === "NODE_DATA_CHANGED");
  const mode = zookeeper.CreateMode;
  const path = await client.createSoon("/n/s-", Buffer.from("s"), mode.EPHEMERAL_SEQUENTIAL);
  check(path === "/n/s-0000000000", "create ephemeral sequential");
  check((await client.getChildrenSoon("/n")).join() === "s-0000000000", "children");
  check((await errorOf(client.removeSoon("/n"))) === "NOT_EMPTY", "delete with a child");
  await client.mkdirpSoon("/n/a/b/c");
  check((await client.existsSoon("/n/a/b/c")) !== null, "mkdirp");
}

function commit(transaction) {
  return new Promise((resolve) => transaction.commit((error, results) => resolve({ error, results })));
}

async function transactions(client) {
  const done = await commit(client.transaction().create("/t", Buffer.from("1")).check("/t", 0)
    .setData("/t", Buffer.from("2"), 0).create("/t/x").remove("/t/x"));
  check(!done.error && done.results.length === 5, "transaction");
  check((await get(client, "/t")).data.toString() === "2", "its outcome");
  const bad = await commit(client.transaction().setData("/t", Buffer.from("3")).remove("/t", 9));
  check(bad.error && bad.error.name === "BAD_VERSION", "transaction that fails");
  check((await get(client, "/t")).data.toString() === "2", "nothing of it is left");
}

async function access(client, stranger) {
  client.addAuthInfo("digest", Buffer.from("alice:secret"));
  const list = [new zookeeper.ACL(zookeeper.Permission.ALL, new zookeeper.Id("auth", ""))];
  await client.createSoon("/mine", Buffer.from("m"), list);
  check((await errorOf(stranger.getDataSoon("/mine"))) === "NO_AUTH", "a stranger may not read");
  check((await get(client, "/mine")).data.toString() === "m", "the owner may");
  const acls = await client.getACLSoon("/mine");
  check(acls[0].id.scheme === "digest" && acls[0].id.id.startsWith("alice:"), "getACL");
}

function line() {
  return new Promise((resolve) => process.stdin.once("data", resolve));
}

async function restart(client) {
  const events = [], session = client.getSessionId().toString("hex");
  await get(client, "/t", (event) => events.push(event));
  console.log("restart");
  await line();
  await eventually("restart: connected again", () => client.getState() === zookeeper.State.SYNC_CONNECTED);
  check(client.getSessionId().toString("hex") === session, "restart: the same session");
  check((await client.existsSoon("/n/s-0000000000")) !== null, "restart: its ephemeral is there");
  await client.setDataSoon("/t", Buffer.from("4"));
  await eventually("restart: its watch fires", () => events.length === 1);
}

async function main() {
  const client = await open(process.argv[2]), stranger = await open(process.argv[2]);
  await nodes(client);
  await transactions(client);
  await access(client, stranger);
  const paths = await Promise.all([...Array(500).keys()].map(() =>
    client.createSoon("/n/a/p-", Buffer.from("x"), zookeeper.CreateMode.PERSISTENT_SEQUENTIAL)));
  check(new Set(paths).size === 500 && paths.join() === [...paths].sort().join(), "five hundred creates in flight");
  await restart(client);
  client.close();
  await eventually("its ephemeral goes with it", async () => (await stranger.existsSoon("/n/s-0000000000")) === null);
  stranger.close();
  console.log(`${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

main().catch((e) => {
  console.log(`FAIL ${e.stack}`);
  process.exit(1);
});
