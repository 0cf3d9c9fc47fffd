const map = new google.maps.Map(document.getElementById('map'), { zoom: 9, mapTypeId: google.maps.MapTypeId.ROADMAP });
for (const title of ['Shop']) new google.maps.Marker({ map, title, position: new google.maps.LatLng(51.5, -0.1) });
google.maps.event.addListener(map, 'idle', () => { window.idle = true; });
document.getElementById('out').addEventListener('click', () => map.setZoom(map.getZoom() - 4));
window.ready = 1;
