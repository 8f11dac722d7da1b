// The sliders: the range input is the control; dragging on the picture moves it.
for (const sample of document.querySelectorAll(".compare")) {
  const stage = sample.querySelector(".stage");
  const range = sample.querySelector("input[type=range]");
  const show = () => {
    stage.style.setProperty("--split", range.value + "%");
    range.setAttribute("aria-valuetext", `${range.value} % bicubic, ${100 - range.value} % ours`);
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    show();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  range.addEventListener("input", show);
  show();
}

// Paper has nothing to unfold: all but mere listings is open while it is printed.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .listing)")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of folded) part.open = false;
});
