// Which message the next one replies to: chosen with the button beside it, until it is sent or Escape takes it back.

const composer = document.querySelector("#composer");
const text = document.querySelector("#text");
const bar = document.querySelector("#replying");
let chosen = null;

export function chooseReply(message) {
  chosen = message;
  bar.querySelector("p").replaceChildren(createQuote(message));
  bar.hidden = false;
  text.setAttribute("aria-describedby", "replying-to"); // read aloud as the field gets the focus
  text.focus();
}

// The message that is replied to, or null. It is no more afterwards.
export function takeReply() {
  const message = chosen;
  chosen = null;
  bar.hidden = true;
  text.removeAttribute("aria-describedby");
  return message;
}

// A message in small: its first photo or, if it has none, its words. These have no say in the direction of what is around.
export function createQuote(message) {
  const photo = message.querySelector(".photo");
  const quote = document.createElement(photo ? "img" : "span");
  quote.className = "quote";
  if (photo) {
    [quote.src, quote.alt, quote.dataset.alt] = [photo.src, photo.alt, photo.dataset.alt];
  } else {
    const words = document.createElement("bdi");
    words.textContent = message.querySelector("p").textContent;
    quote.append(words);
  }
  return quote;
}

composer.addEventListener("keydown", (event) => event.key === "Escape" && takeReply());
bar.querySelector("button").addEventListener("click", () => {
  takeReply();
  text.focus();
});
