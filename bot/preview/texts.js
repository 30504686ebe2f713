// The page's own words, in the language that the bot speaks with the person. Elements name theirs in data-attributes.

const PLACES = [["text", "textContent"], ["label", "ariaLabel"], ["tip", "title"], ["hint", "placeholder"], ["alt", "alt"]];
const template = document.querySelector("#message").content;
let texts = {};

export const say = (name) => texts[name];

// Of what the server tells: a language's tag and its texts.
export function speak(about) {
  texts = about.texts;
  const { documentElement: root, body } = document;
  [root.lang, root.dir, body.dataset.drop] = [about.language, say("direction"), say("drop")];
  [document, template].forEach(fill);
}

// Where nothing can be dropped, since there is no mouse, an element may have other words.
const isTouched = matchMedia("(hover: none) and (pointer: coarse)").matches;

function fill(part) {
  for (const [place, property] of PLACES)
    for (const element of part.querySelectorAll(`[data-${place}]`)) element[property] = say(element.dataset[place]);
  if (isTouched)
    for (const element of part.querySelectorAll("[data-touch]")) element.textContent = say(element.dataset.touch);
}
