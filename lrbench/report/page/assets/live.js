// Polls the server that the page came from, and shows new data without losing what the reader has set.

const POLL_MILLISECONDS = 1000;
let tag = null;

async function newest() {
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch("data.json", { headers, cache: "no-store" });
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
  tag = answer.headers.get("ETag");
  return answer.json();
}

async function follow() {
  let words = "live";
  try {
    const found = await newest();
    if (found) takeData(found);
  } catch (error) {
    words = "server not responding; showing the last data";
  }
  if (byId("live").textContent !== `· ${words}`) byId("live").textContent = `· ${words}`;
  setTimeout(follow, POLL_MILLISECONDS);
}
