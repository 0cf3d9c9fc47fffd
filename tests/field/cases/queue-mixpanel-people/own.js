document.getElementById("b").onclick = () => {
  mixpanel.track('Added', { item: 'lamp' }); mixpanel.people.set({ plan: 'free' });
  const n = document.getElementById("n");
  n.textContent = +n.textContent + 1;
};
