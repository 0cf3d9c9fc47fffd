const who = new amplitude.Identify();
who.set("plan", "free");
amplitude.identify(who);
document.getElementById("b").onclick = (event) => {
  event.preventDefault();
  amplitude.track("Bought", {}, () => { location.hash = "left"; }).promise.then(() => { window.told = 1; });
};
