document.getElementById("b").onclick = () => {
  hj('event', 'added');
  const n = document.getElementById("n");
  n.textContent = +n.textContent + 1;
};
