window.Vimeo = {
  Player: class {
    constructor(id, options) {
      const frame = document.createElement('iframe');
      frame.src = `https://player.vimeo.com/video/${options.id}`;
      document.getElementById(id).append(frame);
    }
    on() {}
  },
};
