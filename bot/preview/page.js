// The preview's page: what is typed, picked from the menu, and told about the bot.

import "./camera.js";
import { render } from "./card.js";
import { addMessage, send } from "./messages.js";
import { sendFiles } from "./photos.js";
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

// Before anything is sent: what the model is, and photos to try it on.
function welcome({ description, model, examples }) {
  const section = document.querySelector("#welcome");
  if (!section) return;
  section.querySelector("#description").textContent = description;
  const classes = [...model.classes, ...(model.more ? [`+${model.more}`] : [])].join(" · ");
  const [name, list] = section.querySelector("#model").children;
  [name.textContent, list.textContent] = [model.name, classes];
  const headline = section.querySelector("#headline");
  [headline.textContent, headline.hidden] = [model.headline ?? "", !model.headline];
  const box = section.querySelector("#examples");
  box.hidden = examples.length === 0;
  box.lastElementChild.replaceChildren(...examples.map(createExample));
}

function createExample(name) {
  const [button, image] = [document.createElement("button"), document.createElement("img")];
  [button.type, image.src] = ["button", `/examples/${encodeURIComponent(name)}`];
  image.alt = name.replace(/\.\w+$/, "").replace(/^\d+-/, "").replaceAll("-", " ");
  button.append(image);
  button.addEventListener("click", async () => {
    const photo = await (await fetch(image.src)).blob();
    sendFiles([new File([photo], name, { type: photo.type })]);
  });
  return button;
}

// In the browser's language, as Telegram has them in its own, or in that which was chosen with /language.
async function introduce() {
  const response = await fetch(`/about?language=${encodeURIComponent(navigator.language)}`);
  const about = await response.json();
  speak(about);
  welcome(about);
  const commands = about.commands.map(createCommand);
  commands[0].firstElementChild.autofocus = true; // when the menu opens
  menu.querySelector("ul").replaceChildren(...commands);
  fillCard(about);
}

// In the page's language, if the model's file has figures that the bot knows, and below it the card that lies beside it.
function fillCard({ card: whole, own_card: own }) {
  const [short, details] = card.querySelector("[tabindex]").children;
  short.replaceChildren(...render(own ?? ""));
  details.lastElementChild.replaceChildren(...render(whole ?? ""));
  [details.hidden, details.open] = [whole === null, own === null];
  document.querySelector("#about").hidden = whole === null && own === null;
}

document.querySelector("#about").addEventListener("click", () => card.showModal());
card.querySelector("button").addEventListener("click", () => card.close());

window.addEventListener("languagechange", introduce); // of the browser, or of the bot: `press` in messages.js
await introduce();
text.focus();
