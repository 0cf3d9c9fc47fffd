document.getElementById("b").onclick = () => {
  window.uetq = window.uetq || []; uetq.push('event', 'add', {});
  const n = document.getElementById("n");
  n.textContent = +n.textContent + 1;
};
