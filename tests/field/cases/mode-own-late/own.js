// What a consent tool that the site had before says once its own script has come.
document.getElementById("b").onclick = () => {
  fbq("consent", "revoke");
  uetq.push("consent", "default", { ad_storage: "denied" });
};
