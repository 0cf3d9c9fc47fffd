document.addEventListener('DOMContentLoaded', () => { if (window.measureShop) measureShop(); });
