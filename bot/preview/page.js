// The preview's chat. Every message goes to /messages as a form; the bot's own answers come back as JSON.

const messages = document.querySelector("#messages");
const text = document.querySelector("#text");
const files = document.querySelector("#files");
const viewfinder = document.querySelector("#viewfinder");
const video = viewfinder.querySelector("video");

function addBubble(side, words, { photo, photoName, quote } = {}) {
  document.querySelector("#welcome")?.remove();
  const bubble = document.querySelector("#bubble").content.cloneNode(true).firstElementChild;
  bubble.classList.add(side);
  bubble.querySelector("p").textContent = words;
  bubble.querySelector("time").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  showImage(bubble.querySelector(".photo"), photo, "Your photo", photoName);
  showImage(bubble.querySelector(".quote"), quote, "In reply to this photo", words);
  messages.append(bubble);
  bubble.scrollIntoView({ block: "end" });
  return bubble;
}

function showImage(image, address, description, instead) {
  if (!address) return;
  image.src = address;
  image.alt = description;
  image.hidden = false;
  image.onload = () => image.parentElement.scrollIntoView({ block: "end" });
  image.onerror = () => {
    image.hidden = true;
    image.parentElement.querySelector("p").textContent = instead;
  };
}

async function send(field, value, quote) {
  const form = new FormData();
  form.append("language", navigator.language);
  form.append(field, value);
  const typing = addBubble("bot", "");
  typing.classList.add("typing");
  typing.setAttribute("aria-label", "The bot is typing");
  const answers = await ask(form);
  typing.remove();
  for (const answer of answers) {
    addBubble("bot", answer.text, { quote: answer.is_reply && quote }).classList.toggle("failed", !!answer.failed);
  }
}

async function ask(form) {
  try {
    const response = await fetch("/messages", { method: "POST", body: form });
    if (response.ok) return await response.json();
    return [{ text: "The bot failed on this message. The terminal it runs in says why.", failed: true }];
  } catch {
    return [{ text: "The preview does not answer. Is it still running in the terminal?", failed: true }];
  }
}

function sendText(words) {
  addBubble("user", words);
  send("text", words);
}

function sendFile(file) {
  // The address lives as long as the page: the photo's bubble and the quotes of it need it.
  const address = file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
  addBubble("user", address ? "" : file.name, { photo: address, photoName: file.name });
  send("file", file, address);
}

document.querySelector("#composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (words) sendText(words);
  text.value = "";
});

document.addEventListener("click", (event) => {
  const words = event.target.dataset.say;
  if (words) {
    sendText(words);
    text.focus();
  }
});

files.addEventListener("change", () => {
  [...files.files].forEach(sendFile);
  files.value = "";
});

document.addEventListener("paste", (event) => [...event.clipboardData.files].forEach(sendFile));

// Dropping. Elements under the pointer enter and leave one after the other, so both are counted.
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
  [...event.dataTransfer.files].forEach(sendFile);
});

// The camera. A page on http may use it on this computer only; elsewhere the system's own camera is asked for.
document.querySelector("#camera").addEventListener("click", async () => {
  if (!navigator.mediaDevices) {
    files.setAttribute("capture", "environment");
    files.click();
    files.removeAttribute("capture");
    return;
  }
  if (viewfinder.open) return;
  viewfinder.showModal(); // before the camera is there: a second click cannot ask for a second one
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    if (viewfinder.open && !video.srcObject) video.srcObject = stream;
    else stream.getTracks().forEach((track) => track.stop());
  } catch {
    if (!viewfinder.open) return;
    viewfinder.close();
    addBubble("bot", "No camera can be used here. Choose or drop a photo instead.").classList.add("failed");
  }
});

viewfinder.addEventListener("click", (event) => {
  if (event.target.value === "take" && !video.videoWidth) return; // no picture yet
  if (event.target.value === "take") takePhoto();
  if (event.target.value) viewfinder.close();
});

viewfinder.addEventListener("close", () => {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
});

function takePhoto() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((photo) => sendFile(new File([photo], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
}

text.focus();
