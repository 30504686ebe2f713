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
  // The addresses live as long as the page: the photos' message and the quotes of it need them.
  const addressOf = (file) => (file.type.startsWith("image/") ? URL.createObjectURL(file) : null);
  const sent = chosen.map((file) => ({ file, name: file.name, address: addressOf(file) }));
  const names = sent.filter(({ address }) => !address).map(({ name }) => name);
  addMessage("user", names.join("\n"), { photos: sent.filter(({ address }) => address) });
  for (const { file, address } of sent) await send({ album, file }, address);
}

files.addEventListener("change", () => {
  sendFiles(files.files);
  files.value = "";
});

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
