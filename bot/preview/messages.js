// The chat's messages: what the person sends, and what the bot shows about it. Both go through /messages, a form there
// and the bot's messages in their new state back.

import { chooseReply, createQuote } from "./reply.js";
import { say } from "./texts.js";

const messages = document.querySelector("#messages");
const text = document.querySelector("#text");
const toast = document.querySelector("#toast");
const template = document.querySelector("#message");

const shown = new Map(); // by the numbers that the bot knows them by
let typing; // while the bot is
let waiting = 0;
let toastEnds;
let made = 0;

function createMessage(side, words) {
  const message = template.content.cloneNode(true).firstElementChild;
  message.classList.add(side);
  message.querySelector("p").textContent = words;
  return message;
}

// `photos`: what each shows is at `address`; `name` stands for one that cannot be shown. `asked`: replied to.
export function addMessage(side, words, { photos = [], asked } = {}) {
  endWelcome();
  const message = createMessage(side, words);
  const bubble = message.querySelector(".bubble");
  message.querySelector("time").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  message.querySelector(".photos").append(...enumerate(photos.map((photo) => createPhoto(photo, message))));
  if (asked) bubble.prepend(createQuote(asked));
  const reply = message.querySelector(".reply");
  bubble.id = `message-${(made += 1)}`;
  reply.setAttribute("aria-describedby", bubble.id);
  reply.addEventListener("click", () => chooseReply(message));
  showOnLongPress(message);
  messages.insertBefore(message, typing ?? null);
  message.scrollIntoView({ block: "end" });
  return message;
}

// A focus in it, as on an example, goes where the next message is written.
function endWelcome() {
  const welcome = document.querySelector("#welcome");
  const hadFocus = welcome?.contains(document.activeElement);
  welcome?.remove();
  if (hadFocus) text.focus();
}

function createPhoto({ address, name, alt = "your-photo" }, message) {
  const image = document.createElement("img");
  image.addEventListener("error", () => {
    image.remove();
    const words = message.querySelector("p");
    words.textContent = [words.textContent, name].filter(Boolean).join("\n");
  });
  image.addEventListener("load", () => messages.lastElementChild.scrollIntoView({ block: "end" }));
  [image.className, image.src, image.dataset.alt, image.alt] = ["photo", address, alt, say(alt)];
  return image;
}

// An album's photos have the numbers that the lines of its answer have, and each can be replied to.
function enumerate(photos) {
  return photos.length < 2 ? photos : photos.map((photo) => {
    const frame = document.createElement("button");
    [frame.type, frame.className, frame.dataset.tip, frame.title] = ["button", "numbered", "reply", say("reply")];
    frame.append(photo);
    frame.addEventListener("click", () => frame.dataset.number && chooseReply(frame));
    return frame;
  });
}

// The bot knows a message, or a photo of an album, by this number.
function number(element, id) {
  shown.set(id, element);
  element.dataset.number = id;
}

// One thing that the bot did: a message, new or in its new state, or a toast.
function show(answer) {
  if (answer.toast) return showToast(answer.toast);
  let message = shown.get(answer.id);
  if (!message) {
    const photos = answer.photo ? [{ address: answer.photo, name: "", alt: "bot-photo" }] : [];
    message = addMessage("bot", answer.text, { photos, asked: shown.get(answer.reply_to) });
    message.classList.toggle("failed", !!answer.failed);
    if (answer.id) number(message, answer.id);
  }
  const words = message.querySelector("p");
  if (words.textContent !== answer.text) words.textContent = answer.text; // an equal text would be read aloud again
  showButtons(message, answer);
  message.scrollIntoView({ block: "nearest" });
}

function showButtons(message, { id, buttons = [] }) {
  const keyboard = message.querySelector(".keyboard");
  const hadFocus = keyboard.contains(document.activeElement);
  keyboard.replaceChildren(
    ...buttons.map((row) => {
      const line = document.createElement("div");
      line.append(...row.map((button) => createButton(id, button)));
      return line;
    }),
  );
  keyboard.hidden = buttons.length === 0;
  if (hadFocus) (keyboard.querySelector("button") ?? text).focus();
}

function createButton(id, { text, data }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dir = "auto";
  button.textContent = text;
  button.addEventListener("click", () => press(button, id, data));
  return button;
}

// On a touch screen the arrow shows after half a second; with a mouse or a keyboard by hover and focus (page.css).
function showOnLongPress(message) {
  let timer;
  const end = () => clearTimeout(timer);
  message.addEventListener("pointerdown", ({ pointerType }) => {
    if (pointerType !== "touch") return;
    timer = setTimeout(() => {
      document.querySelector(".message.held")?.classList.remove("held");
      message.classList.add("held");
    }, 500);
  });
  for (const event of ["pointerup", "pointercancel", "pointermove"]) message.addEventListener(event, end);
}

// Not disabled meanwhile, which would take the focus away.
async function press(button, id, data) {
  const keyboard = button.closest(".keyboard");
  if (keyboard.ariaBusy === "true") return;
  keyboard.ariaBusy = button.ariaBusy = "true";
  const answers = await ask({ message: id, press: data });
  keyboard.ariaBusy = button.ariaBusy = "false";
  answers.shown.forEach(show);
  if (data.startsWith("language:")) window.dispatchEvent(new Event("languagechange"));
}

function showToast(words) {
  clearTimeout(toastEnds);
  toast.textContent = words;
  toastEnds = setTimeout(() => toast.replaceChildren(), 5000);
}

// Send one of the person's messages: its fields, and what the page shows of it.
export async function send(fields, element) {
  waiting += 1;
  showTyping();
  const answers = await ask(fields);
  waiting -= 1;
  if (waiting === 0) typing = typing.remove();
  if (answers.number) number(element, answers.number);
  answers.shown.forEach(show);
}

function showTyping() {
  typing ??= createMessage("bot", "");
  typing.classList.add("typing");
  typing.ariaLabel = say("typing");
  messages.append(typing);
  typing.scrollIntoView({ block: "end" });
}

async function ask(fields) {
  const form = new FormData();
  form.append("language", navigator.language);
  Object.entries(fields).forEach(([name, value]) => form.append(name, value));
  try {
    const response = await fetch("/messages", { method: "POST", body: form });
    if (response.ok) return await response.json();
    return { shown: [{ text: say("failed"), failed: true }] };
  } catch {
    return { shown: [{ text: say("unreachable"), failed: true }] };
  }
}
