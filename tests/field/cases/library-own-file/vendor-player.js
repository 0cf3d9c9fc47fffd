window.Vimeo = { Player: class {
  on(name, call) { setTimeout(call); }
  async getDuration() { return 42; }
} };
