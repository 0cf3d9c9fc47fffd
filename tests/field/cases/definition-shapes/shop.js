initPixel('900001', { em: '' });
ready++;
Stats.start();
ready++;
const counter = new Counter('G-FIELD0022');
counter.count('shop');
ready++;
