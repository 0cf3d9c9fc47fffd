window.goatcounter = window.goatcounter || {};
goatcounter.count = ({ path }) => window.got.push(`goatcounter ${path} ${goatcounter.no_onload}`);
