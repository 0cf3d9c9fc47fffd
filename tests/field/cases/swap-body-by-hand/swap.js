// Fetches the page that a link leads to, and puts its body in the place of this one; forms likewise.
const show = async (url, options) => {
  const answer = await fetch(url, options);
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  history.pushState({}, "", url);
  document.title = next.title;
  document.body.replaceWith(document.adoptNode(next.body));
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (link && !event.defaultPrevented) {
    event.preventDefault();
    show(link.href);
  }
});
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  event.preventDefault();
  show(event.target.action, { method: "POST", body: new FormData(event.target, event.submitter) });
});
