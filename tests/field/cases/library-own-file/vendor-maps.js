window.markers = [];
window.google = window.google || {};
google.maps = {
  MapTypeId: { ROADMAP: 'ROADMAP' },
  LatLng: class { constructor(lat, lng) { this.at = [lat, lng]; } },
  Map: class {
    #zoom;
    constructor(el, options) { this.el = el; this.type = options.mapTypeId; this.setZoom(options.zoom); }
    setZoom(zoom) { this.#zoom = zoom; this.el.dataset.made = zoom + ' ' + this.type; }
    getZoom() { return this.#zoom; }
  },
  Marker: class { constructor({ map, title, position }) { if (position.at) markers.push(title + (map instanceof google.maps.Map ? ' on map' : ' lost')); } },
  event: { addListener(map, name, call) { setTimeout(call); } },
};
