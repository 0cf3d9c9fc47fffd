for (var calls = 0; calls <= 100000; calls++) _paq.push(['trackEvent', calls]);
