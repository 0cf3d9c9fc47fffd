document.write('<pre>print(1)</pre>');
