// A photo from the camera. A page on http may use it on this computer only; elsewhere the system's own is asked for.

import { addMessage } from "./messages.js";
import { sendFiles } from "./photos.js";
import { say } from "./texts.js";

const files = document.querySelector("#files");
const viewfinder = document.querySelector("#viewfinder");
const video = viewfinder.querySelector("video");

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
    addMessage("bot", say("no-camera")).classList.add("failed");
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
  canvas.toBlob((photo) => sendFiles([new File([photo], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.92);
}
