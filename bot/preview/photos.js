// Photos that are chosen, dropped or pasted. Several at once are an album, as in Telegram.

import { addMessage, send } from "./messages.js";

const ALBUM = 10; // Telegram's limit
const files = document.querySelector("#files");

export async function sendFiles(chosen) {
  const all = [...chosen];
  while (all.length) await sendTogether(all.splice(0, ALBUM));
}

// One after the other, as Telegram sends an album to a bot: so the answer grows in their order.
async function sendTogether(chosen) {
  const album = chosen.length > 1 ? crypto.randomUUID() : "";
  const shown = chosen.filter((file) => file.type.startsWith("image/"));
  const names = chosen.filter((file) => !shown.includes(file)).map((file) => file.name);
  // The addresses live as long as the page: the photos' message and the quotes of it need them.
  const photos = shown.map((file) => ({ name: file.name, address: URL.createObjectURL(file) }));
  const message = addMessage("user", names.join("\n"), { photos });
  const frames = message.querySelectorAll(".numbered");
  for (const file of chosen) await send({ album, file }, frames[shown.indexOf(file)] ?? message);
}

files.addEventListener("change", () => {
  sendFiles(files.files);
  files.value = "";
});

document.querySelector("#invitation").addEventListener("click", () => files.click());

document.addEventListener("paste", (event) => sendFiles(event.clipboardData.files));

// Elements under the pointer enter and leave one after the other, so both are counted.
let entered = 0;
const highlight = (change) => {
  entered = change === 0 ? 0 : entered + change;
  document.body.classList.toggle("dropping", entered > 0);
};
const hasFiles = (event) => event.dataTransfer.types.includes("Files");
document.addEventListener("dragenter", (event) => hasFiles(event) && highlight(1));
document.addEventListener("dragleave", (event) => hasFiles(event) && highlight(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  highlight(0);
  sendFiles(event.dataTransfer.files);
});
