initPixel('900001', { em: '' });
ready++;
Stats.start();
ready++;
