// Dragging by mouse, pen or finger: a thing follows the pointer, and the place below it takes the thing.

const BEGINS_AFTER_PX = 6;

/** Let `things` be dragged onto `places`; `drop(thing, place)` is called. Returns how to end it. */
export function draggable(things, places, drop) {
  const controller = new AbortController();
  const below = (event) => places.find((place) => {
    const box = place.getBoundingClientRect();
    return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
  });
  const light = (place) => places.forEach((each) => each.classList.toggle("below-drag", each === place));

  for (const thing of things) {
    let from = null;
    let dragging = false;
    const on = (name, act) => thing.addEventListener(name, act, { signal: controller.signal });
    const end = () => {
      from = null;
      thing.classList.remove("dragged");
      thing.style.transform = "";
      light(null);
    };
    on("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY };
      dragging = false;
      thing.setPointerCapture(event.pointerId);
    });
    on("pointermove", (event) => {
      if (!from) return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      dragging ||= Math.hypot(x, y) > BEGINS_AFTER_PX;
      if (!dragging) return;
      thing.classList.add("dragged");
      thing.style.transform = `translate(${x}px, ${y}px)`;
      light(below(event));
    });
    on("pointerup", (event) => {
      const place = dragging ? below(event) : null;
      end();
      if (place) drop(thing, place);
    });
    on("pointercancel", () => { dragging = false; end(); });
    // A drag is no press; the click that follows it goes nowhere.
    on("click", (event) => { if (dragging) { event.stopPropagation(); dragging = false; } });
  }
  return () => controller.abort();
}
