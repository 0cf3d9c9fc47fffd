_paq.push(["requireCookieConsent"]);
