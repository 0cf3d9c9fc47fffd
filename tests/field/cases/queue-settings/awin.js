(window.got = window.got || []).push('awin ' + AWIN.Tracking.Sale.orderRef);
