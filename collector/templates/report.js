"use strict";
// The page is complete without this script, which filters, sorts and opens elements and writes no markup.
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

  // whether a place is in ranges such as "0-479,481"
  const among = (places, place) =>
    places.split(",").some((range) => {
      const [first, last] = range.split("-").map(Number);
      return place >= first && place <= (last ?? first);
    });

  const setUp = (form) => {
    const kind = form.dataset.filters;
    const list = document.querySelector(`[data-list="${kind}"]`);
    const items = all(kind === "nodes" ? "tbody" : ".image", list);
    if (items.length < 2) return null;
    const heads = items.map((item) => item.querySelector("summary, th") ?? item);
    const texts = items.map((item) => (kind === "nodes" ? item : item.querySelector(".body")).textContent.toLowerCase() +
      " " + item.textContent.slice(0, 400).toLowerCase());
    const names = heads.map((head) => (head.querySelector(".name") ?? head).textContent.trim());
    const field = (name) => form.elements.namedItem(name);
    const output = form.querySelector("output");

    const filter = () => {
      const words = form.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
      const states = new Set(all("input[name=status]:checked", form).map((box) => box.value));
      const place = field("place")?.value ?? "";
      const notInOrder = field("open")?.checked === true && kind === "nodes";
      let shown = 0;
      items.forEach((item, at) => {
        const fits = words.every((word) => texts[at].includes(word)) &&
          (kind === "nodes" || states.has(item.dataset.s)) &&
          (place === "" || among(item.dataset.n, Number(place))) &&
          !(notInOrder && item.dataset.s === "passed");
        item.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      output.textContent = shown === items.length ? `${items.length} ${kind}` : `${shown} of ${items.length} ${kind}`;
    };

    const order = () => {
      const by = field("order").value;
      const nodes = items.map((item) => item.dataset.n.split(",").reduce((sum, range) => {
        const [first, last] = range.split("-").map(Number);
        return sum + (last ?? first) - first + 1;
      }, 0));
      const places = items.map((_, at) => at).sort((one, other) =>
        by === "name" ? names[one].localeCompare(names[other]) :
          by === "nodes" ? nodes[other] - nodes[one] || one - other : one - other);
      list.append(...places.map((at) => items[at]));
    };

    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => (event.target.name === "order" ? order() : filter()));
    if (kind === "images") {
      field("close").addEventListener("click", () => items.forEach((item) => { item.open = false; }));
      all("button[name=open]", form)[0].addEventListener("click", () =>
        items.forEach((item) => { if (!item.hidden) item.open = true; }));
    }
    form.hidden = false;
    filter();
    return { form, filter, items };
  };
  const forms = Object.fromEntries(all("form[data-filters]").map((form) => [form.dataset.filters, setUp(form)]));

  // the name of a node links to its images
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-place]");
    if (!link || !forms.images) return;
    forms.images.form.elements.namedItem("place").value = link.dataset.place;
    forms.images.filter();
  });

  // a link to an image opens it, even if the filter hides it
  const arrive = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!(target instanceof HTMLDetailsElement)) return;
    target.hidden = false;
    target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", arrive);
  arrive();

  // columns can be sorted
  all("th[data-sort]").forEach((head) => {
    const table = head.closest("table");
    const column = Array.from(head.parentElement.children).indexOf(head);
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Sort by ${head.textContent.trim()}`);
    head.append(button);
    head.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ||
        (head.dataset.sort === "number" && !head.hasAttribute("aria-sort"));
      all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (body) => {
        const cell = body.rows[0].cells[column];
        return head.dataset.sort === "number" ? Number(cell.dataset.v) : cell.textContent.trim();
      };
      const bodies = Array.from(table.tBodies).map((body) => [key(body), body]);
      bodies.sort(([one], [other]) => (typeof one === "number" ? one - other : one.localeCompare(other)));
      if (down) bodies.reverse();
      table.append(...bodies.map(([, body]) => body));
    });
  });
})();
