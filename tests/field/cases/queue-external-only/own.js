document.getElementById("b").onclick = () => {
  early('Added');
  const n = document.getElementById("n");
  n.textContent = +n.textContent + 1;
};
