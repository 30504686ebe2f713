// The preview's page: what is typed, picked from the menu, and told about the bot.

import "./camera.js";
import "./photos.js";
import { render } from "./card.js";
import { addMessage, send } from "./messages.js";
import { takeReply } from "./reply.js";
import { speak } from "./texts.js";

const text = document.querySelector("#text");
const menu = document.querySelector("#menu");
const card = document.querySelector("#card");

function post(words) {
  const asked = takeReply();
  const fields = asked ? { text: words, reply_to: asked.dataset.number } : { text: words };
  send(fields, addMessage("user", words, { asked }));
}

document.querySelector("#composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (words) post(words);
  text.value = "";
});

document.addEventListener("click", (event) => {
  const words = event.target.closest("[data-say]")?.dataset.say;
  if (!words) return;
  menu.hidePopover();
  post(words);
  text.focus();
});

function createCommand({ name, does }) {
  const command = document.createElement("button");
  const [title, description] = [document.createElement("b"), document.createElement("span")];
  [title.textContent, description.textContent] = [name, does];
  [command.type, command.dataset.say, description.dir] = ["button", name, "auto"];
  command.append(title, " ", description);
  const item = document.createElement("li");
  item.append(command);
  return item;
}

// In the browser's language, as Telegram has them in its own, or in that which was chosen with /language.
async function introduce() {
  const response = await fetch(`/about?language=${encodeURIComponent(navigator.language)}`);
  const about = await response.json();
  speak(about);
  const words = document.querySelector("#welcome p");
  if (words) words.textContent = about.description;
  const commands = about.commands.map(createCommand);
  commands[0].firstElementChild.autofocus = true; // when the menu opens
  menu.querySelector("ul").replaceChildren(...commands);
  if (about.card === null) return;
  card.querySelector("[tabindex]").replaceChildren(...render(about.card));
  document.querySelector("#about").hidden = false;
}

document.querySelector("#about").addEventListener("click", () => card.showModal());
card.querySelector("button").addEventListener("click", () => card.close());

window.addEventListener("languagechange", introduce); // of the browser, or of the bot: `press` in messages.js
await introduce();
text.focus();
