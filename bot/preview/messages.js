// The chat's messages: what the person sends, and what the bot shows about it. Both go through /messages, a form there
// and the bot's messages in their new state back.

const messages = document.querySelector("#messages");
const text = document.querySelector("#text");
const toast = document.querySelector("#toast");
const template = document.querySelector("#message");
const typing = createMessage("bot", "");
typing.classList.add("typing");
typing.setAttribute("aria-label", "The bot is typing");

const shown = new Map(); // the bot's messages by their numbers
let waiting = 0;
let toastEnds;

function createMessage(side, words) {
  const message = template.content.cloneNode(true).firstElementChild;
  message.classList.add(side);
  message.querySelector("p").textContent = words;
  return message;
}

// `photos`: what each shows is at `address`; `name` stands for one that cannot be shown.
export function addMessage(side, words, { photos = [], quote } = {}) {
  document.querySelector("#welcome")?.remove();
  const message = createMessage(side, words);
  message.querySelector("time").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  message.querySelector(".photos").append(...photos.map((photo) => createPhoto(photo, message)));
  if (quote) {
    const image = createImage(quote, "In reply to this photo", () => image.remove());
    image.className = "quote";
    message.querySelector(".bubble").prepend(image);
  }
  messages.insertBefore(message, typing.isConnected ? typing : null);
  message.scrollIntoView({ block: "end" });
  return message;
}

function createPhoto({ address, name, description = "Your photo" }, message) {
  const image = createImage(address, description, () => {
    image.remove();
    const words = message.querySelector("p");
    words.textContent = [words.textContent, name].filter(Boolean).join("\n");
  });
  image.className = "photo";
  image.addEventListener("load", () => messages.lastElementChild.scrollIntoView({ block: "end" }));
  return image;
}

function createImage(address, description, onError) {
  const image = document.createElement("img");
  image.addEventListener("error", onError);
  image.alt = description;
  image.src = address;
  return image;
}

// One thing that the bot did: a message, new or in its new state, or a toast.
function show(answer, quote) {
  if (answer.toast) return showToast(answer.toast);
  let message = shown.get(answer.id);
  if (!message) {
    const photos = answer.photo ? [{ address: answer.photo, name: "", description: "The bot’s picture" }] : [];
    message = addMessage("bot", answer.text, { photos, quote: answer.is_reply && quote });
    message.classList.toggle("failed", !!answer.failed);
    if (answer.id) shown.set(answer.id, message);
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

// Not disabled meanwhile, which would take the focus away.
async function press(button, id, data) {
  const keyboard = button.closest(".keyboard");
  if (keyboard.ariaBusy === "true") return;
  keyboard.ariaBusy = button.ariaBusy = "true";
  const answers = await ask({ message: id, press: data });
  keyboard.ariaBusy = button.ariaBusy = "false";
  answers.forEach((answer) => show(answer));
}

function showToast(words) {
  clearTimeout(toastEnds);
  toast.textContent = words;
  toastEnds = setTimeout(() => toast.replaceChildren(), 5000);
}

// Send one message's fields; what the bot says in reply has the `quote` beside it.
export async function send(fields, quote) {
  waiting += 1;
  messages.append(typing);
  typing.scrollIntoView({ block: "end" });
  const answers = await ask(fields);
  waiting -= 1;
  if (waiting === 0) typing.remove();
  answers.forEach((answer) => show(answer, quote));
}

async function ask(fields) {
  const form = new FormData();
  form.append("language", navigator.language);
  Object.entries(fields).forEach(([name, value]) => form.append(name, value));
  try {
    const response = await fetch("/messages", { method: "POST", body: form });
    if (response.ok) return await response.json();
    return [{ text: "The bot failed on this message. The terminal it runs in says why.", failed: true }];
  } catch {
    return [{ text: "The preview does not answer. Is it still running in the terminal?", failed: true }];
  }
}
