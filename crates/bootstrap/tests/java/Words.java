import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.yaml.snakeyaml.Yaml;

/** Reads a YAML list with Cassandra's reader and prints, for each element, its type and its text with every character as a number. */
public class Words {
    public static void main(String[] arguments) throws Exception {
        Map<String, List<Object>> file = new Yaml().load(Files.readString(Path.of(arguments[0])));
        for (Object word : file.get("words")) {
            StringBuilder out = new StringBuilder(word == null ? "null" : word.getClass().getSimpleName());
            String.valueOf(word).codePoints().forEach(point -> out.append(' ').append(point));
            System.out.println(out);
        }
    }
}
