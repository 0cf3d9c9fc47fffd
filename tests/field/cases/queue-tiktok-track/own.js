document.getElementById("b").onclick = () => {
  ttq.track('AddToCart');
  const n = document.getElementById("n");
  n.textContent = +n.textContent + 1;
};
